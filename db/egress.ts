import ipaddr from 'ipaddr.js';

/**
 * What outgoing HTTP may reach besides public addresses. A host rule passes the name itself and whatever it
 * resolves to; `*.example.com` passes every name below example.com. Without a port every port passes.
 */
export type EgressRule =
  { readonly host: string; readonly port?: number } | { readonly cidr: string; readonly port?: number };

type Range = ReturnType<typeof ipaddr.parseCIDR>;

const SETTING = 'KEELSON_EGRESS_ALLOW';
const hostName =
  /^(\*\.)?(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const portSuffix = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/;

/** IPv6 outside the block that is assigned for global unicast has no public meaning, whatever the tables call it. */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');
/** Addresses inside public ranges that clouds answer on from within: Azure's metadata and agent address. */
const cloudInternal: readonly string[] = ['168.63.129.16'];

/** One entry of a list that is no rule; the message says why, without the entry. */
export class RuleProblem extends Error {
  override readonly name = 'RuleProblem';
}

const wrong = (problem: string): RuleProblem => new RuleProblem(problem);

function parsePort(text: string): number {
  const port = Number(text);
  if (port < 1 || port > 65_535) throw wrong('has a port outside 1 to 65535');
  return port;
}

const unbracket = (text: string): string => text.replace(/^\[(.*)\]$/, '$1');

/** Only the ordinary written forms: `10.0.0.1`, not `10.1` or `0x0a000001`. */
function parseAddress(text: string): ReturnType<typeof ipaddr.parse> | null {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  return ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text) : null;
}

function parseCidr(text: string): Range | null {
  const [address, bits, more] = text.split('/');
  if (address === undefined || parseAddress(address) === null || more !== undefined) return null;
  const longest = address.includes(':') ? 128 : 32;
  if (bits !== undefined && (!/^\d{1,3}$/.test(bits) || Number(bits) > longest)) return null;
  return ipaddr.parseCIDR(`${address}/${bits ?? longest}`);
}

/** Throws `RuleProblem` for what is no host, host:port, address or CIDR. */
export function parseEgressRule(entry: string): EgressRule {
  if (entry.includes('://')) throw wrong('is a URL');
  const withPort = portSuffix.exec(entry);
  const target = unbracket(withPort?.[1] ?? entry).toLowerCase();
  const port = withPort?.[2] === undefined ? {} : { port: parsePort(withPort[2]) };
  const range = parseCidr(target);
  if (range !== null) return { cidr: `${range[0].toString()}/${range[1]}`, ...port };
  if (target.includes('/')) throw wrong('is not a valid CIDR');
  if (!hostName.test(target) || /^[\d.]+$/.test(target)) throw wrong('is neither a host name nor an address');
  return { host: target, ...port };
}

function ruleOfSetting(entry: string): EgressRule {
  try {
    return parseEgressRule(entry);
  } catch (error) {
    if (!(error instanceof RuleProblem)) throw error;
    throw new Error(
      `${SETTING}: "${entry}" ${error.message}; write a host, host:port, an address or a CIDR, separated by commas`,
    );
  }
}

/** Reads `KEELSON_EGRESS_ALLOW`: entries separated by commas or white space; empty text allows nothing extra. */
export function parseEgressAllow(text: string): readonly EgressRule[] {
  return text
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map(ruleOfSetting);
}

const matchesHost = (pattern: string, host: string): boolean =>
  pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;

function matchesRange(cidr: string, address: string): boolean {
  const range = parseCidr(cidr);
  const parsed = parseAddress(address);
  return range !== null && parsed !== null && parsed.kind() === range[0].kind() && parsed.match(range);
}

/** Where a connection goes: the name or literal of the URL, the address it stands for, and the port. */
export interface EgressTarget {
  readonly host: string;
  readonly address: string;
  readonly port: number;
}

const fitsPort = (rule: EgressRule, port: number): boolean => rule.port === undefined || rule.port === port;

function isListed(target: EgressTarget, rules: readonly EgressRule[]): boolean {
  return rules.some(
    (rule) =>
      fitsPort(rule, target.port) &&
      ('host' in rule ? matchesHost(rule.host, target.host) : matchesRange(rule.cidr, target.address)),
  );
}

/** The operator named this very address: it may be called in plain text, as within one network. */
export function isListedByOperator(url: string, allow: readonly EgressRule[]): boolean {
  const parsed = new URL(url);
  const host = hostOf(parsed);
  return isListed({ host, address: host, port: portOf(parsed) }, allow);
}

function isPublic(address: string): boolean {
  const parsed = parseAddress(address);
  if (parsed === null || parsed.range() !== 'unicast' || cloudInternal.includes(parsed.toString())) return false;
  return parsed.kind() === 'ipv4' || parsed.match(globalUnicast);
}

/**
 * What an organisation sets for itself. It only narrows: what `deny` lists is refused whatever else says, and where
 * `allow` lists anything nothing else passes; a private address still needs the operator's list.
 */
export interface EgressLimits {
  readonly allow: readonly EgressRule[];
  readonly deny: readonly EgressRule[];
}

export const NO_LIMITS: EgressLimits = { allow: [], deny: [] };

/**
 * Why a connection to this very address may not be opened, as a sentence, or null; asked for each connection, so that
 * names cannot rebind.
 */
export function connectionProblem(
  target: EgressTarget,
  allow: readonly EgressRule[],
  limits: EgressLimits = NO_LIMITS,
): string | null {
  if (isListed(target, limits.deny)) return deniedAddress(target.host);
  if (!isPublic(target.address) && !isListed(target, allow)) return refusedAddress(target.host);
  return limits.allow.length > 0 && !isListed(target, limits.allow) ? unlistedAddress(target.host) : null;
}

/** Lower case, no brackets, no final dot: one spelling for rules and checks. */
export const hostOf = (url: URL): string => unbracket(url.hostname.toLowerCase()).replace(/\.$/, '');
export const portOf = (url: URL): number => Number(url.port) || (url.protocol === 'https:' ? 443 : 80);

const isLocalName = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost');

/** The addresses a URL names without asking DNS; none for an ordinary host name. */
function literalAddresses(host: string): readonly string[] {
  if (isLocalName(host)) return ['127.0.0.1', '::1'];
  return parseAddress(host) === null ? [] : [host];
}

/**
 * Why this address may not be called, as a sentence, or null. Looks only at the text: what a name resolves to is
 * checked when the connection is opened. Decimal, octal and hex spellings are seen through, since `URL` resolves them.
 */
export function egressProblem(
  url: string,
  allow: readonly EgressRule[],
  limits: EgressLimits = NO_LIMITS,
): string | null {
  if (!URL.canParse(url)) return 'The address is not a valid URL; write it in full, such as https://example.com/hook.';
  const parsed = new URL(url);
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')
    return 'The address must begin with https:// or http://.';
  if (parsed.username !== '' || parsed.password !== '')
    return 'The address must not hold a user name or password; use a header with {{secret:NAME}}.';
  const host = hostOf(parsed);
  const port = portOf(parsed);
  const addresses = literalAddresses(host);
  if (addresses.length === 0) return nameProblem({ host, port }, limits);
  const problems = addresses.map((address) => connectionProblem({ host, address, port }, allow, limits));
  return problems.includes(null) ? null : (problems[0] ?? null);
}

/** What the rules of an organisation say of a name that nobody has looked up yet. */
function nameProblem({ host, port }: Omit<EgressTarget, 'address'>, { allow, deny }: EgressLimits): string | null {
  const names = (rule: EgressRule): boolean => fitsPort(rule, port) && 'host' in rule && matchesHost(rule.host, host);
  if (deny.some(names)) return deniedAddress(host);
  const mayPass = allow.length === 0 || allow.some((rule) => names(rule) || (fitsPort(rule, port) && 'cidr' in rule));
  return mayPass ? null : unlistedAddress(host);
}

const refusedAddress = (host: string): string =>
  `The address ${host} is local, private or reserved, which outgoing calls may not reach; ` +
  `use a public address, or ask the operator to list it in ${SETTING}.`;

const deniedAddress = (host: string): string =>
  `The address ${host} is on the deny list of your organisation, so nothing may call it; ` +
  'use another, or have an administrator change the list with PUT /v1/workspaces/egress.';

const unlistedAddress = (host: string): string =>
  `The address ${host} is not on the allow list of your organisation, which names all that may be called; ` +
  'use a listed one, or have an administrator add it with PUT /v1/workspaces/egress.';
