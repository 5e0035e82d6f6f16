import { httpUrl } from '@entente/connector-runtime';
import { IsInt, IsNotEmpty, IsOptional, IsString, IsUrl, Matches, Max, Min, ValidateBy } from 'class-validator';

/** The pattern of ids and scopes in Unomi's JSON schemas; an event with any other is dropped without a word. */
const idPattern = /^[\w@.-]{1,60}$/;
const idRule = 'must be 1 to 60 letters, digits or _ @ . -';

const isConsentMap = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const types: unknown[] = Object.values(value);
  return (
    types.length > 0 &&
    types.every((type) => typeof type === 'string' && idPattern.test(type)) &&
    new Set(types).size === types.length
  );
};

/** One Apache Unomi (or jCustomer) server and one scope of it. */
export class UnomiSettings {
  /** Origin of the server, e.g. `http://unomi:8181`. */
  @IsUrl(httpUrl)
  baseUrl!: string;

  /** Where the context is asked for and events are taken; installations behind a proxy may move it. */
  @Matches(/^\/[\w./-]+$/, { message: 'contextPath must be a path that begins with /' })
  contextPath = '/cxs/context.json';

  /** A scope declared in Unomi: consents are kept per scope. */
  @Matches(idPattern, { message: `scope ${idRule}` })
  scope!: string;

  /** Purpose → type identifier of the consent that stands for it. */
  @ValidateBy({
    name: 'consents',
    validator: {
      validate: isConsentMap,
      defaultMessage: () =>
        'consents must name for each purpose a consent type of its own: 1 to 60 letters, digits or _ @ . -',
    },
  })
  consents!: Readonly<Record<string, string>>;

  /** Third-party key (`X-Unomi-Peer`): without it Unomi drops the events that write properties. */
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  peerKey?: string;

  /** Public key (`X-Unomi-Api-Key`) that Unomi 3.1 wants; up to 3.0 there is none. */
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  apiKey?: string;

  /** `user:password` of the private API: without them nobody can be deleted, and a reading makes profiles that are missing. */
  @IsOptional()
  @Matches(/^[^:\s]+:\S+$/, { message: 'credentials must be user:password' })
  credentials?: string;

  /** How long Unomi may count a grant as valid; its manual calls two years usual. */
  @IsInt()
  @Min(1)
  @Max(36_500)
  grantedForDays = 730;
}
