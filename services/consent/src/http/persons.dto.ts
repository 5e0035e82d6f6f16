import { IsSubjectId } from './shapes.ts';

export class LinkSubject {
  /** Another id of the same person: a device that was anonymous, a second account. */
  @IsSubjectId()
  subjectId!: string;
}
