/**
 * Numbers to text and back as GitHub's runner does it, which is .NET's way: fifteen significant digits ("G15"),
 * scientific notation from 1E+15 up and 1E-05 down. JavaScript prints seventeen digits and switches elsewhere.
 * Source: ACTIONS-CONTRACT §1.5, .NET "Standard numeric format strings".
 */
const SIGNIFICANT_DIGITS = 15;

export function numberToText(number: number): string {
  if (!Number.isFinite(number)) return String(number);
  if (number === 0) return "0"; // and so is -0
  const [mantissa = "", exponentText] = Math.abs(number)
    .toExponential(SIGNIFICANT_DIGITS - 1)
    .split("e");
  const digits = mantissa.replace(".", "").replace(/0+$/, "");
  const sign = number < 0 ? "-" : "";
  const exponent = Number(exponentText);
  return (
    sign + (exponent > -5 && exponent < SIGNIFICANT_DIGITS ? fixed(digits, exponent) : scientific(digits, exponent))
  );
}

/** Empty text is 0; what is no number is NaN. JavaScript reads `0b1` too, GitHub does not. */
export function textToNumber(text: string): number {
  const trimmed = text.trim();
  return /^0b/i.test(trimmed) ? Number.NaN : Number(trimmed);
}

function fixed(digits: string, exponent: number): string {
  if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const fraction = digits.slice(exponent + 1);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

function scientific(digits: string, exponent: number): string {
  const fraction = digits.slice(1);
  const power = `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  return `${digits.slice(0, 1)}${fraction === "" ? "" : `.${fraction}`}E${power}`;
}
