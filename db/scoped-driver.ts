import { CompiledQuery, type DatabaseConnection, type Driver } from 'kysely';
import { currentScope, type Scope } from './scope.js';

/**
 * Tells a connection whose rows it may show before it runs a query, unless it knows already. What a connection was told
 * inside a transaction is forgotten when that is rolled back.
 */
export function createScopedDriver(driver: Driver): Driver {
  const inner = new WeakMap<DatabaseConnection, DatabaseConnection>();
  const outer = new WeakMap<DatabaseConnection, ScopedConnection>();
  const of = (connection: DatabaseConnection): DatabaseConnection => inner.get(connection) ?? connection;
  const forget = (connection: DatabaseConnection): void => outer.get(of(connection))?.forget();
  return {
    init: () => driver.init(),
    acquireConnection: async () => {
      const plain = await driver.acquireConnection();
      const scoped = outer.get(plain) ?? scopedConnection(plain);
      outer.set(plain, scoped);
      inner.set(scoped, plain);
      return scoped;
    },
    beginTransaction: (connection, settings) => driver.beginTransaction(of(connection), settings),
    commitTransaction: (connection) => driver.commitTransaction(of(connection)),
    rollbackTransaction: async (connection) => {
      forget(connection);
      await driver.rollbackTransaction(of(connection));
    },
    savepoint: async (connection, name, compile) => driver.savepoint?.(of(connection), name, compile),
    rollbackToSavepoint: async (connection, name, compile) => {
      forget(connection);
      await driver.rollbackToSavepoint?.(of(connection), name, compile);
    },
    releaseSavepoint: async (connection, name, compile) => driver.releaseSavepoint?.(of(connection), name, compile),
    releaseConnection: (connection) => driver.releaseConnection(of(connection)),
    destroy: () => driver.destroy(),
  };
}

interface ScopedConnection extends DatabaseConnection {
  readonly forget: () => void;
}

function scopedConnection(plain: DatabaseConnection): ScopedConnection {
  let told: Scope | undefined;
  const tell = async (): Promise<void> => {
    const scope = currentScope();
    if (told?.workspaceId === scope.workspaceId && told.tenantId === scope.tenantId) return;
    // in doubt until it is done: a query that fails leaves nobody's scope behind
    told = undefined;
    await plain.executeQuery(CompiledQuery.raw(SET, [scope.workspaceId, scope.tenantId]));
    told = scope;
  };
  return {
    forget: () => (told = undefined),
    executeQuery: async (query) => {
      await tell();
      return plain.executeQuery(query);
    },
    streamQuery: async function* (query, chunkSize) {
      await tell();
      yield* plain.streamQuery(query, chunkSize);
    },
  };
}

const SET = `select set_config('keelson.workspace', $1, false), set_config('keelson.tenant', $2, false)`;
