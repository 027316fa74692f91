import dns from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector } from 'undici';
import { connectionProblem, NO_LIMITS, type EgressLimits, type EgressRule } from './egress.js';
import { EgressError } from './egress-error.js';

type ResolvedAddress = { readonly address: string; readonly family: number };

export interface EgressSettings {
  /** What may be reached besides public addresses. */
  readonly allow: readonly EgressRule[];
  /** Resolves a name; the system's resolver unless a test brings its own. */
  readonly lookup?: (host: string) => Promise<readonly ResolvedAddress[]>;
}

interface Guard extends EgressSettings {
  readonly limits: EgressLimits;
}

/** Connections that were opened under one set of rules. */
export interface GuardedAgents {
  readonly kept: Agent;
  /** Every request on a connection of its own. */
  readonly fresh: Agent;
}

export interface AgentPool {
  readonly under: (limits: EgressLimits | undefined) => GuardedAgents;
  readonly close: () => Promise<void>;
}

const CONNECT_TIMEOUT_MS = 10_000;
const CONNECTIONS_PER_ORIGIN = 256;
/** Sets of rules whose connections are kept; the one not used for longest makes room. */
const MOST_SETS = 100;

/**
 * A kept connection was checked under the rules it was opened for, so organisations with rules of their own share no
 * connection with others.
 */
export function createAgentPool(settings: EgressSettings): AgentPool {
  const sets = new Map<string, GuardedAgents>();
  return {
    under: (limits = NO_LIMITS) => {
      const key = JSON.stringify([limits.allow, limits.deny]);
      const agents = sets.get(key) ?? createAgents({ ...settings, limits });
      sets.delete(key);
      sets.set(key, agents);
      const [oldest] = sets.keys();
      if (sets.size > MOST_SETS && oldest !== undefined) retire(sets, oldest);
      return agents;
    },
    close: async () => {
      await Promise.all([...sets.values()].map(closeAgents));
    },
  };
}

/** Requests under way on it end first. */
function retire(sets: Map<string, GuardedAgents>, key: string): void {
  const agents = sets.get(key);
  sets.delete(key);
  if (agents !== undefined) void closeAgents(agents);
}

async function closeAgents({ kept, fresh }: GuardedAgents): Promise<void> {
  await Promise.all([kept.close(), fresh.close()]);
}

function createAgents(guard: Guard): GuardedAgents {
  // the caller's signal bounds a request; undici's own limits would cut long but legal waits
  const options = {
    connect: guardedConnector(guard),
    connections: CONNECTIONS_PER_ORIGIN,
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  // no pipelining means no keep-alive
  return { kept: new Agent(options), fresh: new Agent({ ...options, pipelining: 0 }) };
}

const systemLookup = (host: string): Promise<readonly ResolvedAddress[]> => dns.lookup(host, { all: true });

/** Hands on only addresses that may be called, so the socket cannot be opened to any other, whatever DNS says next. */
function guardedLookup({ allow, limits, lookup = systemLookup }: Guard, port: number): LookupFunction {
  return (hostname, options, callback) => {
    const host = hostname.toLowerCase().replace(/\.$/, '');
    lookup(hostname).then(
      (found) => {
        const checked = found.map((each) => ({
          ...each,
          problem: connectionProblem({ host, address: each.address, port }, allow, limits),
        }));
        const open = checked.filter(({ problem }) => problem === null);
        const [first] = open;
        if (first === undefined) callback(refused(host, checked[0]?.problem), '', 0);
        else if (options.all === true) callback(null, [...open]);
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, '', 0),
    );
  };
}

const refused = (host: string, problem: string | null | undefined): EgressError =>
  new EgressError('refused', problem ?? `The name ${host} has no address.`, { host });

/** One connector a port, because a lookup is told the name but not the port that the rules speak of. */
function guardedConnector(guard: Guard): buildConnector.connector {
  const connectors = new Map<number, buildConnector.connector>();
  const connectorFor = (port: number): buildConnector.connector => {
    const known = connectors.get(port);
    if (known !== undefined) return known;
    const made = buildConnector({ timeout: CONNECT_TIMEOUT_MS, port, lookup: guardedLookup(guard, port) });
    connectors.set(port, made);
    return made;
  };
  return (options, callback) => {
    const port = Number(options.port) || (options.protocol === 'https:' ? 443 : 80);
    const host = options.hostname.replace(/^\[(.*)\]$/, '$1');
    // a literal address is never looked up, so it is checked here
    const problem =
      isIP(host) === 0 ? null : connectionProblem({ host, address: host, port }, guard.allow, guard.limits);
    if (problem === null) connectorFor(port)(options, callback);
    else callback(refused(host, problem), null);
  };
}
