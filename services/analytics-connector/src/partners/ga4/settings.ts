import { httpUrl, IsRsaPrivateKey } from '@entente/connector-runtime';
import {
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsIn,
  IsOptional,
  IsString,
  IsNotEmpty,
  IsUrl,
  Matches,
  ValidateBy,
  type ValidationOptions,
} from 'class-validator';

const deletionApis = ['user-deletion-v3', 'admin-v1alpha'] as const;
const idTypes = ['USER_ID', 'CLIENT_ID'] as const;
export type IdType = (typeof idTypes)[number];

/** Where the shares for one purpose go. */
export interface PropertyOfPurpose {
  /** The number of the property; each purpose needs its own, since only a person as a whole can be deleted in it. */
  readonly propertyId: string;
  /** `G-…` of the web data stream. */
  readonly measurementId: string;
  /** Measurement Protocol API secret of that stream. */
  readonly apiSecret: string;
  /** Whether the purpose's notice covers sending the data to Google for advertising; else `DENIED` is sent. */
  readonly adUserData?: boolean;
  /** Whether it covers personalised advertising; else `DENIED` is sent. */
  readonly adPersonalization?: boolean;
}

const members = new Set(['propertyId', 'measurementId', 'apiSecret', 'adUserData', 'adPersonalization']);

function isProperty(value: unknown): value is PropertyOfPurpose {
  if (typeof value !== 'object' || value === null) return false;
  const { propertyId, measurementId, apiSecret, adUserData, adPersonalization } = value as Partial<
    Record<string, unknown>
  >;
  const flags = [adUserData, adPersonalization].every((flag) => flag === undefined || typeof flag === 'boolean');
  const texts: readonly (readonly [unknown, RegExp])[] = [
    [propertyId, /^\d+$/],
    [measurementId, /^G-[A-Z0-9]+$/],
    [apiSecret, /^\S+$/],
  ];
  return (
    flags &&
    texts.every(([text, form]) => typeof text === 'string' && form.test(text)) &&
    Object.keys(value).every((name) => members.has(name))
  );
}

const valuesOf = (value: unknown): readonly unknown[] =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.values(value) : [];

const AreProperties = (options: ValidationOptions): PropertyDecorator =>
  ValidateBy(
    {
      name: 'areProperties',
      validator: { validate: (value: unknown) => valuesOf(value).length > 0 && valuesOf(value).every(isProperty) },
    },
    options,
  );

const AreDistinctProperties = (options: ValidationOptions): PropertyDecorator =>
  ValidateBy(
    {
      name: 'areDistinctProperties',
      validator: {
        validate: (value: unknown) => {
          const ids = valuesOf(value).map((property) => (isProperty(property) ? property.propertyId : property));
          return new Set(ids).size === ids.length;
        },
      },
    },
    options,
  );

/** Google Analytics 4 properties, and the service account that may delete people in them. */
export class Ga4Settings {
  /** Measurement Protocol; `https://region1.google-analytics.com` collects in the EU. */
  @IsUrl(httpUrl)
  collectUrl = 'https://www.google-analytics.com';

  /** `user-deletion-v3` is the User Deletion API, `admin-v1alpha` the Admin API's `submitUserDeletion`. */
  @IsIn(deletionApis, { message: `$property must be one of ${deletionApis.join(', ')}` })
  deletionApi: (typeof deletionApis)[number] = 'user-deletion-v3';

  @IsUrl(httpUrl)
  userDeletionUrl = 'https://www.googleapis.com';

  @IsUrl(httpUrl)
  adminUrl = 'https://analyticsadmin.googleapis.com';

  /** Also the audience of the assertions signed for it. */
  @IsUrl(httpUrl)
  tokenUrl = 'https://oauth2.googleapis.com/token';

  /** `client_email` of the service account's JSON key. */
  @Matches(/^[^@\s]+@[^@\s]+$/, { message: '$property must be the client_email of the service account' })
  clientEmail!: string;

  /** `private_key` of the service account's JSON key. */
  @IsRsaPrivateKey({ message: '$property must be an RSA key in PEM: the private_key of the service account' })
  privateKey!: string;

  /** `private_key_id` of the service account's JSON key. */
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  privateKeyId?: string;

  /** Purpose → property. */
  @AreProperties({
    message:
      '$property must give for at least one purpose {propertyId: digits, measurementId: G-…, apiSecret} ' +
      'and may give adUserData and adPersonalization as true or false',
  })
  @AreDistinctProperties({
    message: '$property must give each purpose a propertyId of its own: GA4 deletes a person from a whole property',
  })
  properties!: Readonly<Record<string, PropertyOfPurpose>>;

  /**
   * The identifiers a person is deleted by. Shares carry the controller's id as both; whether deleting by one of them covers
   * everything is not documented, and each costs one of the 500 deletions that a property allows per day.
   */
  @IsArray()
  @ArrayNotEmpty()
  @ArrayUnique()
  @IsIn(idTypes, { each: true, message: `$property must hold one or both of ${idTypes.join(', ')}` })
  deletedBy: readonly IdType[] = [...idTypes];
}
