import { answersDescribedIn } from '@entente/http/testing';

/** H-8: every request of the integration tests goes through it. */
export const expectDescribed = answersDescribedIn(new URL('../../openapi.json', import.meta.url));
