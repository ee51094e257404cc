import { Scroll } from "@/layout/Page";
import { Name } from "@/text/SafeText";
import type { Loose } from "./loose";
import { fieldsOf } from "./schema";

/** The fields of an item, those within others indented. */
export function SchemaTree({ schema }: { schema: Loose }) {
  const fields = fieldsOf(schema);
  if (fields.length === 0) return <p className="second">Items may have any fields.</p>;
  return (
    <Scroll label="Fields of an item">
      <table>
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col">Type</th>
            <th scope="col">Required</th>
            <th scope="col">Note</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((field) => (
            <tr key={field.path}>
              <th scope="row" className="mono" style={{ paddingLeft: `${field.depth * 16}px` }}>
                <Name text={field.name} />
              </th>
              <td className="second">
                <Name text={field.type} />
              </td>
              <td className="second">{field.isRequired ? "yes" : "no"}</td>
              <td className="second">
                <Name text={field.note} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
