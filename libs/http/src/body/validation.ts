import { Injectable, ValidationPipe } from '@nestjs/common';
import type { ArgumentMetadata } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { bodyRequired } from '../problems/refusal-of.ts';
import { Refusal } from '../problems/refusal.ts';
import type { FieldError } from '../problems/refusal.ts';

/** More would only help an attacker to large answers. */
const maxListedErrors = 100;

/** A path segment that may be shown: our property names and array indexes, not text a caller made up. */
const showable = /^[A-Za-z0-9_-]{1,64}$/;

/** Validates DTOs by their class-validator rules; unknown properties are errors, nothing is converted silently. */
@Injectable()
export class BodyValidation extends ValidationPipe {
  constructor() {
    super({
      whitelist: true,
      forbidNonWhitelisted: true,
      transform: true,
      transformOptions: { enableImplicitConversion: false },
      exceptionFactory: (errors: ValidationError[]) => validationRefusal(errors),
    });
  }

  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type === 'body' && value === undefined) throw bodyRequired();
    return (await super.transform(value, metadata)) as unknown;
  }
}

/** All errors at once, each with a pointer to its place. */
export function validationRefusal(errors: readonly ValidationError[]): Refusal {
  const listed = errors.flatMap((error) => fieldErrors(error, ''));
  return new Refusal('invalid-request', 400, 'The request does not have the shape this operation takes.', {
    errors: listed.slice(0, maxListedErrors),
    ...(listed.length > maxListedErrors ? { moreErrors: listed.length - maxListedErrors } : {}),
  });
}

function fieldErrors(error: ValidationError, parent: string): FieldError[] {
  if (!showable.test(error.property)) return [{ pointer: parent, detail: 'has a property that is not known here' }];
  const pointer = `${parent}/${error.property}`;
  const own = Object.entries(error.constraints ?? {}).map(([rule, message]) => ({
    pointer,
    detail: rule === 'whitelistValidation' ? 'is not known here' : withoutProperty(message, error.property),
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => fieldErrors(child, pointer))];
}

/** The pointer names the property already. */
function withoutProperty(message: string, property: string): string {
  return message.replace(`each value in ${property} `, 'each value ').replace(new RegExp(`^${property} `), '');
}
