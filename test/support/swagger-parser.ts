import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = `
  import { text } from 'node:stream/consumers';
  import SwaggerParser from '@apidevtools/swagger-parser';
  await SwaggerParser.validate(JSON.parse(await text(process.stdin)));
`;

/**
 * What the validator says against a document; empty when it is valid. A process of its own, as the validator's CommonJS
 * requires an ES module, which jest cannot do on every Node.
 */
export function openApiProblems(document: unknown): Promise<string> {
  const flags = ['--experimental-require-module', '--no-warnings', '--input-type=module'];
  const cwd = fileURLToPath(new URL('../../..', import.meta.url));
  const child = spawn(process.execPath, [...flags, '-e', script], { cwd, stdio: ['pipe', 'ignore', 'pipe'] });
  let problems = '';
  child.stderr.on('data', (data: Buffer) => (problems += data.toString()));
  child.stdin.end(JSON.stringify(document));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code === 0 ? '' : problems || `exit ${code}`));
  });
}
