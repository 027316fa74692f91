export const signupModes = ['open', 'invite_only', 'approval', 'closed'] as const;
/** KEELSON_SIGNUP: everybody; who was invited; who asked and was let in; nobody. */
export type SignupMode = (typeof signupModes)[number];

export interface SignupPolicy {
  readonly policy: 'public' | 'invite_only' | 'approval';
  readonly invite_required: boolean;
  readonly request_access_enabled: boolean;
}

/** As the Service surface tells it, which has no word for `closed`. */
export const policyOf: Readonly<Record<SignupMode, SignupPolicy>> = {
  open: { policy: 'public', invite_required: false, request_access_enabled: false },
  invite_only: { policy: 'invite_only', invite_required: true, request_access_enabled: true },
  approval: { policy: 'approval', invite_required: true, request_access_enabled: true },
  closed: { policy: 'invite_only', invite_required: true, request_access_enabled: false },
};
