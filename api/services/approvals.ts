export interface ApprovalService {
  readonly placeholder?: never;
}
