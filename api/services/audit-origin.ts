import { AsyncLocalStorage } from 'node:async_hooks';

/** Where the work under way came from. */
export interface AuditOrigin {
  /** The caller's address. */
  readonly ip: string;
  readonly requestId: string;
}

const origins = new AsyncLocalStorage<AuditOrigin>();

/** What `work` writes into the audit log says where it came from, however deep it is written. */
export const withOrigin = <T>(origin: AuditOrigin, work: () => T): T => origins.run(origin, work);

/** Undefined for what no request asked for. */
export const currentOrigin = (): AuditOrigin | undefined => origins.getStore();
