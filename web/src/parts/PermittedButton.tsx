import type { ButtonHTMLAttributes } from "react";
import { type Permission, useRefusal } from "@/states/session";

type Props = ButtonHTMLAttributes<HTMLButtonElement> & { needs: Permission };

/** A button of what not everybody may do: for those who may not, it says why, and does nothing. */
export function PermittedButton({ needs, disabled, title, onClick, type = "button", ...rest }: Props) {
  const refusal = useRefusal(needs);
  if (refusal === undefined)
    return <button type={type} disabled={disabled} title={title} onClick={onClick} {...rest} />;
  // The keyboard still reaches it, or nobody could read why.
  return <button {...rest} type="button" aria-disabled="true" title={refusal} />;
}
