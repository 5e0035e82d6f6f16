import type { ReactNode } from 'react';

export interface Column<T> {
  readonly key: string;
  readonly title: string;
  readonly cell: (row: T) => ReactNode;
  readonly numeric?: boolean;
}

/**
 * A table that becomes a list of labelled lines where there is no room for columns. Roles are spelled out because the
 * narrow layout takes a table's own away.
 */
export function Table<T>(props: {
  readonly caption: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly rowKey: (row: T) => string;
  readonly hideCaption?: boolean;
  readonly toneOf?: (row: T) => string | undefined;
}) {
  const { caption, columns, rows, rowKey, hideCaption = false, toneOf } = props;
  return (
    <table role="table">
      <caption className={hideCaption ? 'hidden' : undefined}>{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ key, title, numeric }) => (
            <th key={key} role="columnheader" scope="col" className={numeric ? 'number' : undefined}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={rowKey(row)} role="row" className={toneOf?.(row)}>
            {columns.map(({ key, title, cell, numeric }, index) => {
              const content = (
                <>
                  <span className="label" aria-hidden="true">
                    {title}
                  </span>
                  <span className="value">{cell(row)}</span>
                </>
              );
              const className = numeric ? 'number' : undefined;
              return index === 0 ? (
                <th key={key} role="rowheader" scope="row" className={className}>
                  {content}
                </th>
              ) : (
                <td key={key} role="cell" className={className}>
                  {content}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
