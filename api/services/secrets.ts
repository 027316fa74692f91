export interface SecretService {
  readonly placeholder?: never;
}
