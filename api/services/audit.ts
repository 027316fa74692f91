export interface AuditService {
  readonly placeholder?: never;
}
