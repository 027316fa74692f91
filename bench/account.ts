/** Whoever calls in the bench. */
export const BENCH_ACCOUNT = { email: 'bench@example.com', password: 'a long enough password' };
