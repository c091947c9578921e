// SNS and SQS in one small process for `just bench`: on a free port of this machine only, without a
// log of requests. Says its port, and ends when its stdin does, however the bench ends.
import { buildApp } from "fauxqs";

const app = buildApp({ logger: false, host: "localhost", defaultRegion: process.env.AWS_REGION });
await app.listen({ port: 0, host: "127.0.0.1" });
process.stdout.write(`${app.server.address().port}\n`);
process.stdin.on("end", () => process.exit(0)).resume();
