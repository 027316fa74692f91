import { AsyncLocalStorage } from 'node:async_hooks';

/** Whose rows the work may see: the database itself holds every query to it, whatever the query says. */
export interface Scope {
  /** Empty: no workspace's. */
  readonly workspaceId: string;
  /** Empty: no organisation's. */
  readonly tenantId: string;
}

const ALL = '*';
const system: Scope = { workspaceId: ALL, tenantId: ALL };
const scopes = new AsyncLocalStorage<Scope>();

/** The scope of the work under way; outside any a process is the system and sees everything. */
export const currentScope = (): Scope => scopes.getStore() ?? system;

/** Everything `work` asks of the database, now and later, is held to the scope. An id never means everything. */
export const withScope = <T>({ workspaceId, tenantId }: Scope, work: () => T): T =>
  scopes.run({ workspaceId: plain(workspaceId), tenantId: plain(tenantId) }, work);

/** For what rightly looks further than the caller's own workspace: say at the call why it does. */
export const unscoped = <T>(work: () => T): T => scopes.run(system, work);

/** Of a service whose rows are nobody's, or people's over several organisations: whoever asks, it looks at all of them. */
export const unscopedService = <T extends object>(service: T): T =>
  Object.fromEntries(
    Object.entries(service).map(([name, work]) => [
      name,
      typeof work === 'function'
        ? (...given: unknown[]) => unscoped(() => (work as Work)(...given))
        : (work as unknown),
    ]),
  ) as T; // -- reason: the same functions under the same names

type Work = (...given: unknown[]) => unknown;

const plain = (id: string): string => (id === ALL ? '' : id);

/** A generator runs in the context of whoever asks for its next value, which is long after its maker has left. */
export function iterateInScope<T>(scope: Scope, make: () => AsyncIterable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = withScope(scope, () => make()[Symbol.asyncIterator]());
      return {
        next: () => withScope(scope, () => iterator.next()),
        return: async () => (await withScope(scope, () => iterator.return?.())) ?? { done: true, value: undefined },
      };
    },
  };
}
