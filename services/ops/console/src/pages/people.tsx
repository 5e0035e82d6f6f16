import { useState, type FormEvent } from 'react';
import { Button } from 'react-aria-components/Button';
import { FieldError } from 'react-aria-components/FieldError';
import { Form } from 'react-aria-components/Form';
import { Input } from 'react-aria-components/Input';
import { Label } from 'react-aria-components/Label';
import { Text } from 'react-aria-components/Text';
import { TextField } from 'react-aria-components/TextField';
import type { PersonView } from '../../../src/read/views/person.ts';
import { ask, problemOf, type ApiProblem } from '../data/api.ts';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { Table } from '../parts/table.tsx';
import { useFormat } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';
import { withdrawalColumns } from './withdrawal-columns.tsx';

/** The pseudonym as logs and topics show it; anything else is taken for the customer's own id. */
const subjectKeyPattern = /^k\d{1,3}\.[\w-]{22}$/;

/** Characters; the API asks for as many. */
const shortestReason = 3;

interface Faults {
  readonly who?: string;
  readonly reason?: string;
}

/** Looks one person up, for a reason that is kept. */
export function PeoplePage() {
  const words = useWords();
  const format = useFormat();
  const [found, setFound] = useState<PersonView | null>(null);
  // Judged when sent and not before: a message that goes while one clicks would move the button away.
  const [faults, setFaults] = useState<Faults>({});
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const find = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [who = '', reason = ''] = ['who', 'reason'].map((name) => {
      const value = form.get(name);
      return typeof value === 'string' ? value.trim() : '';
    });
    const wrong: Faults = {
      ...(who === '' ? { who: words.people.missing } : {}),
      ...(reason.length < shortestReason ? { reason: words.people.tooShort } : {}),
    };
    setFaults(wrong);
    const [first] = Object.keys(wrong);
    if (first) return event.currentTarget.querySelector<HTMLInputElement>(`[name=${first}]`)?.focus();
    setProblem(null);
    ask<PersonView>('/v1/people/find', {
      ...(subjectKeyPattern.test(who) ? { subjectKey: who } : { subjectId: who }),
      reason,
    })
      .then(setFound)
      .catch((error: unknown) => {
        setFound(null);
        setProblem(problemOf(error));
      });
  };
  return (
    <Page title={words.people.title}>
      <p className="lead">{words.people.intro}</p>
      <Form className="form" validationBehavior="aria" onSubmit={find}>
        <TextField name="who" isRequired autoComplete="off" isInvalid={faults.who !== undefined}>
          <Label>{words.people.who}</Label>
          <Input maxLength={256} />
          <FieldError>{faults.who}</FieldError>
        </TextField>
        <TextField name="reason" isRequired autoComplete="off" isInvalid={faults.reason !== undefined}>
          <Label>{words.people.reason}</Label>
          <Input maxLength={300} />
          <Text slot="description">{words.people.reasonHint}</Text>
          <FieldError>{faults.reason}</FieldError>
        </TextField>
        <Button type="submit">{words.people.find}</Button>
      </Form>
      {problem && <Problem problem={problem} />}
      <div role="status">{found?.withdrawals.length === 0 && <p>{words.people.none}</p>}</div>
      {found && found.withdrawals.length > 0 && (
        <Table
          caption={words.people.caption(found.subject)}
          columns={withdrawalColumns(words, format).filter(({ key }) => key !== 'person')}
          rows={found.withdrawals}
          rowKey={({ changeId }) => changeId}
        />
      )}
    </Page>
  );
}
