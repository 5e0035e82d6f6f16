import { httpUrl } from '@entente/connector-runtime';
import {
  IsFQDN,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsOptional,
  IsString,
  IsUrl,
  Max,
  Min,
  ValidateBy,
  type ValidationOptions,
} from 'class-validator';
import { createPrivateKey } from 'node:crypto';

/** How a request JWT stands in the body: the framework does not say (partner-apis.md §9). */
const bodyForms = ['json', 'jwt'] as const;
type BodyForm = (typeof bodyForms)[number];

function isSigningKey(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(value);
    return asymmetricKeyType === 'rsa' || asymmetricKeyDetails?.namedCurve === 'prime256v1';
  } catch {
    // Whatever OpenSSL says about it, it is no key; its message may quote the text.
    return false;
  }
}

const IsSigningKey = (options: ValidationOptions): PropertyDecorator =>
  ValidateBy({ name: 'isSigningKey', validator: { validate: isSigningKey } }, options);

/** One vendor that takes deletion requests of the IAB Data Deletion Request Framework. */
export class IabDataDeletionSettings {
  /** The vendor's; also the issuer its acknowledgements must name. */
  @IsFQDN({}, { message: '$property must be the vendor’s domain, e.g. vendor.example' })
  domain!: string;

  /** Where the vendor publishes elsewhere than at the root of its domain: no redirect is followed. */
  @IsOptional()
  @IsUrl(httpUrl)
  discoveryUrl?: string;

  /** Hosts the vendor's endpoint may be on, beside its domain and what is below it. */
  @IsFQDN({}, { each: true, message: '$property must be host names' })
  endpointHosts: readonly string[] = [];

  /** The controller's domain (eTLD+1), at whose root its own dsrdelete.json publishes the public key. */
  @IsFQDN({}, { message: '$property must be the controller’s own domain, e.g. shop.example' })
  issuer!: string;

  @IsSigningKey({ message: '$property must be a private key in PEM, RSA or EC on P-256' })
  privateKey!: string;

  /** `kid` of that key in the controller's dsrdelete.json. */
  @IsString()
  @IsNotEmpty()
  keyId!: string;

  /** As the vendor's dsrdelete.json names what it takes. */
  @IsString()
  @IsNotEmpty()
  identifierType = 'email';

  @IsString()
  @IsNotEmpty()
  identifierFormat = 'sha256';

  @IsIn(bodyForms)
  body: BodyForm = 'json';

  /** How long a vendor's dsrdelete.json is good for. */
  @IsInt()
  @Min(1)
  @Max(10_080)
  discoveryMinutes = 60;
}
