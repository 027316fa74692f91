import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createCodePool } from '../../activities/code/pool.js';
import { CodeFailure, type CodeJob, type CodeResult } from '../../activities/code/port.js';
import { Failure } from '../../workflows/contract/failures.js';
import { inline } from '../../workflows/definition/values.js';
import { openStage, type Stage } from './stage.js';

const pool = createCodePool();
const NAMES = { input: { n: 2 }, vars: { v: 'x' }, steps: { a: [1] }, run: { id: 'run_1' }, item: null, index: 3 };

afterAll(() => pool.close());

const run = (source: string, more: Partial<CodeJob> = {}): Promise<CodeResult> =>
  pool.run({ source, names: NAMES, timeoutMs: 10_000, memoryMb: 32, signal: new AbortController().signal, ...more });
const output = async (source: string, more: Partial<CodeJob> = {}) => (await run(source, more)).output;
async function failure(source: string, more: Partial<CodeJob> = {}): Promise<CodeFailure> {
  const error: unknown = await run(source, more).then(
    (value) => new Error(JSON.stringify(value)),
    (reason: unknown) => reason,
  );
  if (error instanceof CodeFailure) return error;
  throw error;
}

describe('code', () => {
  test.each([
    [
      'return { n: input.n + index, v: vars.v, a: steps.a[0], run: run.id, item }',
      { n: 5, v: 'x', a: 1, run: 'run_1', item: null },
    ],
    ['return undefined', null],
    ['', null],
    ['return [1, undefined, "ä"]', [1, null, 'ä']],
    ['return new Date(0)', '1970-01-01T00:00:00.000Z'],
    ['const later = async (x) => x * 2; return await later(21)', 42],
    ['return Promise.resolve("p")', 'p'],
    ['return "\\ud800".length', 1],
  ])('%s', async (source, expected) => {
    expect(await output(source)).toEqual(expected);
  });

  test.each([
    ['const a = 1;\n\nnull.foo;', 'line 3: TypeError: cannot read'],
    ['if (', 'line 1: SyntaxError'],
    ['let x;\nfunction f() {\n  throw new RangeError("too much");\n}\nf();', 'line 3: RangeError: too much'],
    ['throw { code: 5 }', '{"code":5} was thrown'],
    ['throw null', 'null was thrown'],
    ['return NaN', 'it is no finite number'],
    ['return { a: [{ f: () => 1 }] }', 'a[0].f is a function'],
    ['return 10n', 'it is a bigint'],
    ['return new Map()', 'a Map or Set'],
    ['const a = {}; a.a = a; return a', 'holds itself'],
    ['await new Promise(() => undefined)', 'nothing will ever resolve'],
    ['const f = () => f() + 1; return f()', 'stack overflow'],
  ])('%j fails with a sentence', async (source, problem) => {
    const { type, message } = await failure(source);
    expect(type).toBe('code_failed');
    expect(message).toContain(problem);
  });

  test.each([
    'while (true) {}',
    'for (;;) await 0',
    'try { for (;;) {} } catch { return "caught" } finally { return "finally" }',
    'return /(a+)+$/.test("a".repeat(40) + "b")',
    'const go = () => Promise.resolve().then(go); await go()',
  ])('%s is ended', async (source) => {
    expect(await failure(source, { timeoutMs: 200 })).toMatchObject({ type: 'code_timeout' });
  });

  test('what the interpreter cannot interrupt is ended with its process, and the next job has another', async () => {
    const stuck = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1e9)';
    await failure(stuck, { timeoutMs: 50 });
    expect(await output('return 1')).toBe(1);
  });

  test.each([
    'const list = []; for (;;) list.push(new Array(1000).fill(7))',
    'return new ArrayBuffer(1e9).byteLength',
    'return "x".repeat(2 ** 28)',
  ])('%s needs too much memory', async (source) => {
    expect(await failure(source, { memoryMb: 8 })).toMatchObject({ type: 'code_memory' });
  });

  test('an input larger than its memory is said to be so', async () => {
    const names = { ...NAMES, input: 'y'.repeat(12_000_000) };
    expect(await failure('return 1', { memoryMb: 1, names })).toMatchObject({ type: 'code_memory' });
  });

  test('what it prints is kept, up to a length', async () => {
    const { lines } = await run(
      'console.log("a", { b: 1 }, [2]); console.error(new Error("x")); for (let i = 0; i < 500; i += 1) console.log("y".repeat(5000))',
    );
    expect(lines.slice(0, 2)).toEqual(['a {"b":1} [2]', 'Error: x']);
    expect(lines).toHaveLength(101);
    expect(lines[5]).toHaveLength(1_003);
    const { lines: before } = await failure('console.log("here"); throw new Error("no")');
    expect(before).toEqual(['here']);
  });

  test('it is given up with its step', async () => {
    const time = new AbortController();
    const job = run('while (true) {}', { signal: time.signal, timeoutMs: 60_000 });
    await output('return 1');
    time.abort(new Error('given up'));
    await expect(job).rejects.toThrow('given up');
  });

  test('more jobs than processes wait for their turn', async () => {
    const jobs = Array.from({ length: 6 }, (_, index) => output(`return ${index}`));
    expect(await Promise.all(jobs)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('a closed sandbox runs nothing', async () => {
    const other = createCodePool({ size: 1 });
    await other.close();
    const job = { source: 'return 1', names: {}, timeoutMs: 100, memoryMb: 8, signal: new AbortController().signal };
    await expect(other.run(job)).rejects.toThrow('closed');
  });
});

describe('from inside nothing is in reach', () => {
  test.each([
    'process',
    'require',
    'module',
    'global',
    'Buffer',
    'fetch',
    'XMLHttpRequest',
    'WebAssembly',
    'setTimeout',
    'std',
    'os',
    'print',
    'scriptArgs',
    'importScripts',
    'Worker',
    'Deno',
  ])('%s', async (name) => {
    expect(await output(`return typeof ${name}`)).toBe('undefined');
  });

  test.each([
    'return (await import("node:fs")).readFileSync("/etc/passwd", "utf8")',
    'return (await import("/etc/passwd")).default',
    'return eval("require")("node:fs")',
    'return new Function("return process")().env',
    'return console.log.constructor("return process")().env',
    'return (function () { return this })().process.env',
    'return input.constructor.constructor("return process")().env',
  ])('%s', async (source) => {
    expect((await failure(source)).type).toBe('code_failed');
  });

  test('what one job changes the next does not see', async () => {
    await run('globalThis.left = 1; Array.prototype.map = () => "evil"; JSON.stringify = () => "evil"; return [1]');
    expect(await output('return [typeof left, [1].map((n) => n + 1)]')).toEqual(['undefined', [2]]);
  });

  test('it cannot forge an answer', async () => {
    expect(await output('JSON.stringify = () => \'{"output":9}\'; return { a: 1 }')).toEqual({ a: 1 });
    expect(await output('return { output: 5, error: { name: "x" } }')).toEqual({ output: 5, error: { name: 'x' } });
    expect((await failure('}); return 1; (function () {')).message).toContain('SyntaxError');
  });
});

describe('a code node', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
  }, 60_000);
  beforeEach(() => stage.fresh());
  afterAll(() => stage.close());
  const config = { timeout_ms: 10_000, memory_mb: 32 };

  test("answers what it returns, and prints into the run's events", async () => {
    const source = 'console.log("sum of", input.id, vars.a);\nreturn { sum: input.id + vars.a, before: steps.b }';
    const scope = { vars: { a: inline(5) }, steps: { b: inline('B') } };
    const { outputs } = await stage.attempt({
      kind: 'code',
      config: { ...config, source },
      scope,
      deps: { code: pool },
    });
    expect(outputs).toEqual([inline({ sum: 12, before: 'B' })]);
    expect(await stage.events('log')).toEqual([{ key: 'n/1', node_id: 'n', attempt: 1, lines: ['sum of 7 5'] }]);
  });

  test('that fails is not tried again', async () => {
    const source = 'console.log("so far");\nreturn input.gone.x';
    const failed = await stage.failure({ kind: 'code', config: { ...config, source }, deps: { code: pool } });
    expect(failed).toMatchObject({ type: Failure.nodeFailed, details: [{ error: { type: 'code_failed' } }] });
    expect(await stage.events('log')).toHaveLength(1);
  });
});
