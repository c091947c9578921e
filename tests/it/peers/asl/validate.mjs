// Prints what a validator of the Amazon States Language says about a definition.
// Usage: node validate.mjs FILE
import { readFileSync } from 'node:fs';
import validate from 'asl-validator';

const definition = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { isValid, errorsText } = validate(definition, { checkPaths: true, checkArn: true });
console.log(JSON.stringify({ isValid, errors: errorsText() }));
