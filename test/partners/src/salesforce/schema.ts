import { isRecord, type Json } from '../narrow.ts';

type FieldType = 'text' | 'boolean' | 'date' | 'picklist' | 'number';

export interface ObjectSchema {
  /** First characters of its records' ids. */
  readonly prefix: string;
  readonly fields: ReadonlyMap<string, FieldType>;
  /** Must be given where a record is made. */
  readonly required: readonly string[];
  /** Field by which another object is named by its external id → that object. */
  readonly references: ReadonlyMap<string, string>;
  readonly externalIds: ReadonlySet<string>;
}

/** The external id every object of this organisation has. */
const externalId = 'Consent_Subject_Id__c';
const person = { Email: 'text', FirstName: 'text', LastName: 'text', Phone: 'text', Title: 'text' } as const;
const contactOptOuts = { HasOptedOutOfEmail: 'boolean', HasOptedOutOfFax: 'boolean', DoNotCall: 'boolean' } as const;

const standard = {
  Contact: {
    prefix: '003',
    fields: { ...person, ...contactOptOuts, IndividualId: 'text' },
    required: ['LastName'],
    references: { Individual: 'Individual' },
  },
  Lead: {
    prefix: '00Q',
    fields: { ...person, ...contactOptOuts, Company: 'text', IndividualId: 'text' },
    required: ['LastName', 'Company'],
    references: { Individual: 'Individual' },
  },
  Individual: {
    prefix: '0PK',
    fields: {
      FirstName: 'text',
      LastName: 'text',
      HasOptedOutTracking: 'boolean',
      HasOptedOutProcessing: 'boolean',
      HasOptedOutProfiling: 'boolean',
      HasOptedOutSolicit: 'boolean',
      HasOptedOutGeoTracking: 'boolean',
      ShouldForget: 'boolean',
      SendIndividualData: 'boolean',
      CanStorePiiElsewhere: 'boolean',
    },
    required: ['LastName'],
    references: {},
  },
  ContactPointTypeConsent: {
    prefix: '0ZX',
    fields: {
      Name: 'text',
      PartyId: 'text',
      ContactPointType: 'picklist',
      CaptureContactPointType: 'picklist',
      CaptureDate: 'date',
      CaptureSource: 'text',
      DataUsePurposeId: 'text',
      EffectiveFrom: 'date',
      EffectiveTo: 'date',
      DoubleConsentCaptureDate: 'date',
      PrivacyConsentStatus: 'picklist',
      BusinessBrandId: 'text',
    },
    required: ['Name', 'CaptureContactPointType', 'CaptureDate', 'CaptureSource', 'ContactPointType', 'Party'],
    references: { Party: 'Individual' },
  },
} as const satisfies Record<string, object>;

/** Values of the restricted picklists. */
export const picklists: Readonly<Record<string, readonly string[]>> = {
  ContactPointType: ['Email', 'MailingAddress', 'Phone', 'Social', 'Web'],
  CaptureContactPointType: ['Email', 'MailingAddress', 'Phone', 'Social', 'Web'],
  PrivacyConsentStatus: ['OptIn', 'OptOut', 'Seen', 'NotSeen'],
};

/** Custom fields are given as `Contact.Ad_Opt_Out__c` (a checkbox) or `Contact.Plan__c:text`. */
export function schemaOf(customFields: readonly string[]): ReadonlyMap<string, ObjectSchema> {
  return new Map(
    Object.entries(standard).map(([name, { prefix, fields, required, references }]) => {
      const custom = customFields.flatMap((each): [string, FieldType][] => {
        const [object, field = '', type] = each.split(/[.:]/);
        return object === name ? [[field, type === 'text' ? 'text' : 'boolean']] : [];
      });
      return [
        name,
        {
          prefix,
          fields: new Map<string, FieldType>([...Object.entries(fields), [externalId, 'text'], ...custom]),
          required,
          references: new Map(Object.entries(references)),
          externalIds: new Set([externalId]),
        },
      ];
    }),
  );
}

/** Why Salesforce cannot read a record at all: the whole request is refused for it. Undefined when it can. */
export function unreadable(object: string, schema: ObjectSchema, given: Json): readonly [string, string] | undefined {
  for (const [name, value] of Object.entries(given)) {
    if (name === 'attributes') continue;
    if (schema.references.has(name)) {
      if (!isRecord(value)) return ['JSON_PARSER_ERROR', `Cannot deserialize instance of ${name} from ${typeof value}`];
      continue;
    }
    const type = schema.fields.get(name);
    if (type === undefined) return ['INVALID_FIELD', `No such column '${name}' on sobject of type ${object}`];
    const fits = type === 'boolean' ? typeof value === 'boolean' : typeof value !== 'object' || value === null;
    if (!fits) return ['JSON_PARSER_ERROR', `Cannot deserialize instance of ${type} from ${typeof value} value`];
  }
  return undefined;
}
