import { Fault, invalid } from './failure.js';

/** Set by us or by HTTP itself. */
const ownHeaders: ReadonlySet<string> = new Set([
  ...['x-chain-signature', 'idempotency-key', 'host', 'content-length', 'transfer-encoding', 'connection'],
  ...['keep-alive', 'upgrade', 'te', 'trailer', 'expect', 'proxy-authorization', 'proxy-connection', 'accept-encoding'],
]);
const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** An author's headers by their names in lower case, or a failure that says what is wrong with one. */
export function customHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const checked: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!headerName.test(name)) throw invalid(Fault.configInvalid, `headers: "${name}" is not a valid header name.`);
    if (ownHeaders.has(name.toLowerCase()))
      throw invalid(Fault.configInvalid, `headers: "${name}" is set by the platform; remove it.`);
    if (!headerValue.test(value))
      throw invalid(
        Fault.configInvalid,
        `headers: the value of "${name}" holds a line break or another character that headers cannot carry.`,
      );
    checked[name.toLowerCase()] = value;
  }
  return checked;
}
