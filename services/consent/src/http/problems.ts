import { problemsAs } from '@entente/http';
import { ProblemBody } from './answers.dto.ts';

/** Documents the problems (RFC 9457) a route may answer with. */
export const ApiProblems = problemsAs(ProblemBody);
