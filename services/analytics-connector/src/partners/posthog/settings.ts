import { httpUrl } from '@entente/connector-runtime';
import { IsInt, IsUrl, Matches, Min, Max } from 'class-validator';
import { IsPropertyPerPurpose } from '../../settings-checks.ts';

/** One PostHog project. */
export class PosthogSettings {
  /** The capture service; `https://eu.i.posthog.com` in the EU, the same address as `apiUrl` when self-hosted. */
  @IsUrl(httpUrl)
  captureUrl = 'https://us.i.posthog.com';

  /** The application; `https://eu.posthog.com` in the EU. */
  @IsUrl(httpUrl)
  apiUrl = 'https://us.posthog.com';

  /** Writes events. */
  @Matches(/^phc_\w+$/, { message: '$property must be the project token: phc_ and letters or digits' })
  projectToken!: string;

  /** Reads and deletes persons: scopes `person:read` and `person:write`. */
  @Matches(/^phx_\w+$/, { message: '$property must be a personal API key: phx_ and letters or digits' })
  personalApiKey!: string;

  @Matches(/^\d+$/, { message: '$property must be the number of the project' })
  projectId!: string;

  /** Purpose → person property that says `granted` or `denied`. */
  @IsPropertyPerPurpose({ message: '$property must name for at least one purpose a person property of its own' })
  consentProperties!: Readonly<Record<string, string>>;

  /** Person property in which each denial leaves a mark, so that reading the person shows which one has arrived. */
  @Matches(/^[A-Za-z_][\w .-]{0,119}$/, { message: '$property must be the name of a person property' })
  markProperty = 'consent_mark';

  /** After so long a captured event has reached its person or never will; PostHog documents no time. */
  @IsInt()
  @Min(1_000)
  @Max(86_400_000)
  ingestedWithinMs = 600_000;
}
