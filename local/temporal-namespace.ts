import { isGrpcServiceError, type Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { messageOf } from './errors.js';
import { waitUntil } from './processes.js';

const RETENTION = '7 days';
/** What runs are found by in Temporal's own lists; each is a Keyword. */
export const SEARCH_ATTRIBUTES = ['KeelsonWorkspace', 'KeelsonDefinition', 'KeelsonRun'] as const;

/** Codes of gRPC and of Temporal's enum of search attribute types, fixed by their protocols. */
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const KEYWORD = 2;

/** Makes the namespace and its search attributes where they are missing; any number of times, by any number of callers. */
export async function ensureNamespace(connection: Connection, namespace: string): Promise<void> {
  await unlessCode(
    ALREADY_EXISTS,
    connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: msToTs(RETENTION),
    }),
  );
  const known = await searchAttributesOf(connection, namespace);
  const missing = SEARCH_ATTRIBUTES.filter((name) => !known.has(name));
  if (missing.length === 0) return;
  await unlessCode(
    ALREADY_EXISTS,
    connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
    }),
  );
}

/** A server somebody else runs may keep these rights to itself: then what to ask for, as one sentence. */
export async function ensureForeignNamespace(connection: Connection, namespace: string): Promise<string | undefined> {
  try {
    await ensureNamespace(connection, namespace);
    return undefined;
  } catch (error) {
    const known = await searchAttributesOf(connection, namespace).catch(() => new Set<string>());
    if (SEARCH_ATTRIBUTES.every((name) => known.has(name))) return undefined;
    return (
      `Temporal does not let us prepare namespace ${namespace} (${messageOf(error)}): ` +
      `make it there, with the Keyword search attributes ${SEARCH_ATTRIBUTES.join(', ')}.`
    );
  }
}

/** A namespace made a moment ago is not yet known to every part of the server, so it is asked for until it is. */
async function searchAttributesOf(connection: Connection, namespace: string): Promise<ReadonlySet<string>> {
  let found: ReadonlySet<string> = new Set();
  await waitUntil(
    async () => {
      const answer = await unlessCode(NOT_FOUND, connection.operatorService.listSearchAttributes({ namespace }));
      found = new Set(Object.keys(answer?.customAttributes ?? {}));
      return answer !== undefined;
    },
    { patienceMs: 15_000, everyMs: 100 },
  );
  return found;
}

async function unlessCode<T>(code: number, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isGrpcServiceError(error) && Number(error.code) === code) return undefined;
    throw error;
  }
}
