/** Enough to tell two lines apart, too little to look somebody up with. */
export const maskedSubject = (subjectKey: string): string => `••••${subjectKey.slice(-4)}`;
