import { httpUrl, IsRsaPrivateKey } from '@entente/connector-runtime';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsNotEmpty,
  IsString,
  IsUrl,
  Matches,
  ValidateBy,
  ValidateIf,
  type ValidationArguments,
} from 'class-validator';

/** Names of objects and fields, and of fields of a related object: `Plan__c`, `Owner.Name` is not one of them. */
const apiName = /^[A-Za-z]\w*$/;
const apiNameRule = { message: '$property must be the API name of a field, e.g. Consent_Subject_Id__c' };

/** Absent is fine; null is not, as it would pass for a value later. */
const IfGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

type Check = (value: unknown, settings: Partial<SalesforceSettings>) => boolean;

const Holds = (name: string, holds: Check, message: string): PropertyDecorator =>
  ValidateBy({
    name,
    validator: {
      validate: (value: unknown, args?: ValidationArguments) => holds(value, args?.object ?? {}),
      defaultMessage: () => message,
    },
  });

const isMapOf =
  (allowed: (value: string) => boolean): Check =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((each) => typeof each === 'string' && allowed(each));

const contactPointTypes = ['Email', 'MailingAddress', 'Phone', 'Social', 'Web'];

const isFilled = (map: unknown): boolean => typeof map === 'object' && map !== null && Object.keys(map).length > 0;

/** A map that is not empty needs the id field it is written by. */
const needs = (map: unknown, idField: string | undefined): boolean => !isFilled(map) || typeof idField === 'string';

const isOneWayToSignIn: Check = (_, { clientSecret, username, privateKey }) =>
  clientSecret === undefined ? username !== undefined && privateKey !== undefined : !(username ?? privateKey);

const isAnyMapped: Check = (_, { optOutFields = {}, individualOptOutFields = {}, contactPoints = {} }) =>
  [optOutFields, individualOptOutFields, contactPoints].some(isFilled);

/** One Salesforce organisation, and where in it a purpose is told. */
export class SalesforceSettings {
  /** My Domain of the organisation, e.g. `https://acme.my.salesforce.com`. */
  @IsUrl(httpUrl)
  instanceUrl!: string;

  /** Where sessions come from: My Domain for client credentials, also the login host for JWT. Default: `instanceUrl`. */
  @IfGiven()
  @IsUrl(httpUrl)
  loginUrl?: string;

  /** Consumer key of the connected app. */
  @IsString()
  @IsNotEmpty()
  @Holds(
    'signIn',
    isOneWayToSignIn,
    'clientId needs either clientSecret (client credentials) or username and privateKey (JWT bearer), not both',
  )
  clientId!: string;

  @IfGiven()
  @IsString()
  @IsNotEmpty()
  clientSecret?: string;

  /** The user a JWT stands for. */
  @IfGiven()
  @IsString()
  @IsNotEmpty()
  username?: string;

  /** Key of the connected app's certificate, PEM. */
  @IfGiven()
  @IsRsaPrivateKey({ message: '$property must be an RSA key in PEM' })
  privateKey?: string;

  /** `aud` of the JWT; `https://test.salesforce.com` for sandboxes. */
  @IfGiven()
  @IsUrl(httpUrl)
  audience?: string;

  @Matches(/^v\d{2,}\.0$/, { message: 'version must be an API version, e.g. v66.0' })
  version = 'v66.0';

  /** Object that holds the person's data. */
  @IsIn(['Contact', 'Lead'])
  object: 'Contact' | 'Lead' = 'Contact';

  /** External id (unique) of that object; it holds the controller's own id of the person. */
  @Matches(apiName, apiNameRule)
  externalIdField!: string;

  /** Purpose → checkbox of `object` that is ticked while the purpose may not be served. */
  @Holds('optOutFields', isMapOf((name) => apiName.test(name)), 'optOutFields must name a field for each purpose')
  @Holds(
    'isAnyMapped',
    isAnyMapped,
    'at least one purpose must stand in optOutFields, individualOptOutFields or contactPoints',
  )
  optOutFields: Readonly<Record<string, string>> = {};

  /** External id (unique) of Individual; absent = Individuals are left alone. */
  @IfGiven()
  @Matches(apiName, apiNameRule)
  individualIdField?: string;

  /** Purpose → checkbox of Individual. */
  @Holds(
    'individualOptOutFields',
    (value, settings) =>
      isMapOf((name) => apiName.test(name))(value, settings) && needs(value, settings.individualIdField),
    'individualOptOutFields must name a field for each purpose, and needs individualIdField',
  )
  individualOptOutFields: Readonly<Record<string, string>> = {};

  /** Checkboxes of Individual that are ticked while nothing at all is allowed. */
  @IsArray()
  @Matches(apiName, { each: true, message: 'individualFullOptOutFields must be API names of fields' })
  individualFullOptOutFields: readonly string[] = [];

  /** External id (unique) of ContactPointTypeConsent, at least 200 characters. */
  @IfGiven()
  @Matches(apiName, apiNameRule)
  consentIdField?: string;

  /** Purpose → kind of contact point its ContactPointTypeConsent is about. */
  @Holds(
    'contactPoints',
    (value, settings) =>
      isMapOf((type) => contactPointTypes.includes(type))(value, settings) &&
      needs(value, settings.individualIdField) &&
      needs(value, settings.consentIdField),
    `contactPoints must name one of ${contactPointTypes.join(', ')} for each purpose, and needs individualIdField and consentIdField`,
  )
  contactPoints: Readonly<Record<string, string>> = {};

  /** Purpose → record id of its DataUsePurpose. */
  @Holds('dataUsePurposes', isMapOf((id) => /^\w{15,18}$/.test(id)), 'dataUsePurposes must be record ids')
  dataUsePurposes: Readonly<Record<string, string>> = {};

  /** API values of the picklist PrivacyConsentStatus (not documented with their API names: partner-apis.md §10.1). */
  @IsString()
  @IsNotEmpty()
  grantedStatus = 'OptIn';

  @IsString()
  @IsNotEmpty()
  deniedStatus = 'OptOut';

  /** Field of a share → field of `object`; what is not named keeps its name. */
  @Holds('fieldNames', isMapOf((name) => apiName.test(name)), 'fieldNames must map to API names of fields')
  fieldNames: Readonly<Record<string, string>> = {};

  /**
   * The integration user may see every record of these objects ("View All"), so that finding none means there is none.
   * Otherwise a person who is not found is a matter for a human being.
   */
  @IsBoolean()
  viewsAllRecords = false;
}
