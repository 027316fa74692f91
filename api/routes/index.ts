import type { Route } from '../http/route.js';

/** Every resource's rows; the kit adds health, pointers and documents. */
export const routes: readonly Route[] = [];
