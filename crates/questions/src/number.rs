//! Numbers as people write them, with an optional unit of bytes.

/// A whole number, with an optional sign and unit of bytes: `100`, `-5`, `10MB`, `1.5 MiB`, `1_000`.
pub fn parse_number(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.replace('_', "").parse().ok()?;
    let bytes = sign * number * unit_factor(unit.trim())?;
    (bytes.is_finite() && bytes.abs() < 9e18).then_some(bytes.round() as i64)
}

/// What a unit of bytes stands for; kB, MB, GB are powers of 1000 as in DevTools, KiB, MiB, GiB of 1024.
pub fn unit_factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "" | "B" => 1.0,
        "k" | "kB" | "KB" | "kb" => 1e3,
        "M" | "MB" | "mb" => 1e6,
        "G" | "GB" | "gb" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    })
}
