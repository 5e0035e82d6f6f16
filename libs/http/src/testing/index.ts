export { answersDescribedIn } from './described-answers.ts';
export { openApiFaults } from './openapi-faults.ts';
