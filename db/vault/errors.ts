/** A sealed text or a data key that does not open where it lies: changed, cut, or copied from elsewhere. */
export class DamagedSecret extends Error {
  override readonly name = 'DamagedSecret';
}

/** The key service could not be asked, which may pass, or it refused; the API answers 503 to the first code. */
export class KeyServiceError extends Error {
  override readonly name = 'KeyServiceError';
  readonly code: 'KEY_SERVICE_DOWN' | 'KEY_SERVICE_REFUSED';
  constructor(code: KeyServiceError['code'], message: string) {
    super(message);
    this.code = code;
  }
}
