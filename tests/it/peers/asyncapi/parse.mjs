// Prints what the official parser says about an AsyncAPI document: diagnostics, and the ids of the operations.
// Usage: node parse.mjs FILE
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
const operations = document ? document.operations().all().map((it) => it.id()) : [];
console.log(JSON.stringify({ diagnostics, operations }));
