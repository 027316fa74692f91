/** The queue of the interpreter and its activities: one, so that eager dispatch applies. */
export const ENGINE_QUEUE = 'engine';
