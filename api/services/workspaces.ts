export interface WorkspaceService {
  readonly placeholder?: never;
}
