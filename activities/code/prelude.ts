/**
 * The part of the sandbox that runs inside the interpreter, before anything of the user's. It makes
 * `run(source, names) -> JSON text of {output} or {error}` and keeps what it needs for itself, so that the code may change
 * whatever it likes. Values that JSON would silently drop or change are refused by name.
 */
export const PRELUDE = `((print) => {
  const { stringify, parse } = JSON;
  const { isArray } = Array;
  const { keys, getPrototypeOf } = Object;
  const { isFinite } = Number;
  const text = String;
  const AsyncFunction = getPrototypeOf(async () => {}).constructor;
  const shown = (value) => {
    if (typeof value === 'string') return value;
    if (value instanceof Error) return text(value);
    try { return stringify(value) ?? text(value); } catch { return text(value); }
  };
  const log = (...values) => print(values.map(shown).join(' '));
  globalThis.console = { log, info: log, warn: log, error: log, debug: log };
  const wrong = (path, what) => {
    throw new TypeError('the result is no JSON: ' + (path === '' ? 'it' : path.replace(/^[.]/, '')) + ' is ' + what);
  };
  const check = (value, path, depth) => {
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
    if (typeof value === 'number') return isFinite(value) ? undefined : wrong(path, 'no finite number');
    if (typeof value !== 'object') wrong(path, 'a ' + typeof value);
    if (depth > 200) wrong('', 'nested too deep, or holds itself');
    if (typeof value.toJSON === 'function') return;
    if (value instanceof Map || value instanceof Set) wrong(path, 'a Map or Set; make an array or object of it');
    for (const key of keys(value)) {
      if (value[key] !== undefined) check(value[key], path + (isArray(value) ? '[' + key + ']' : '.' + key), depth + 1);
    }
  };
  const told = (error) => {
    if (!(error instanceof Error)) return { name: '', message: shown(error) + ' was thrown', stack: '' };
    return { name: text(error.name), message: text(error.message), stack: text(error.stack) };
  };
  return async (source, names) => {
    try {
      const values = parse(names);
      const body = new AsyncFunction(...keys(values), source);
      const result = await body(...keys(values).map((name) => values[name]));
      check(result === undefined ? null : result, '', 0);
      return '{"output":' + (result === undefined ? 'null' : stringify(result) ?? 'null') + '}';
    } catch (error) {
      return stringify({ error: told(error) });
    }
  };
})`;

/** `Function` puts so many lines before a body. */
export const LINES_BEFORE_BODY = 2;
