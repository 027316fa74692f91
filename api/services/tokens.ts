export interface TokenService {
  readonly placeholder?: never;
}
