export interface ChainService {
  readonly placeholder?: never;
}
