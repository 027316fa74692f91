export interface RunService {
  readonly placeholder?: never;
}
