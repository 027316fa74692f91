/** Why a call to the outside failed. */
export type EgressFault = 'refused' | 'invalid' | 'timeout' | 'network' | 'too_large' | 'redirected';

/** The message is a sentence for whoever named the address. */
export class EgressError extends Error {
  override readonly name = 'EgressError';
  readonly fault: EgressFault;
  /** Whom the call was for. */
  readonly host: string;
  /** The request was on its way and no answer came: what it asked for may have happened. */
  readonly isUnknown: boolean;

  constructor(
    fault: EgressFault,
    message: string,
    more: { readonly host: string; readonly isUnknown?: boolean; readonly cause?: unknown },
  ) {
    super(message, more.cause === undefined ? {} : { cause: more.cause });
    this.fault = fault;
    this.host = more.host;
    this.isUnknown = more.isUnknown ?? false;
  }
}
