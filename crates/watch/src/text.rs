//! Sizes, times and speeds as people read them.

/// memwatch's form of a size: `1.23 mb`, by 1,024.
pub fn nice_size(bytes: f64) -> String {
    let (divisor, unit) = match bytes.abs() {
        size if size >= 1024.0 * 1024.0 => (1024.0 * 1024.0, "mb"),
        size if size >= 1024.0 => (1024.0, "kb"),
        _ => (1.0, "bytes"),
    };
    let value = format!("{:.2}", bytes / divisor);
    let value = if value.contains('.') { value.trim_end_matches('0').trim_end_matches('.') } else { &value };
    format!("{value} {unit}")
}

/// memwatch's form of a time: `1h 2m 3s`.
pub fn nice_delta(milliseconds: f64) -> String {
    let seconds = (milliseconds / 1000.0).round().max(0.0) as u64;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut parts = Vec::new();
    if hours > 0 {
        parts.push(format!("{hours}h"));
    }
    if minutes > 0 {
        parts.push(format!("{minutes}m"));
    }
    if rest > 0 || parts.is_empty() {
        parts.push(format!("{rest}s"));
    }
    parts.join(" ")
}

/// `12.3 MB`, by 1,000, as everywhere else in stillheap.
pub fn size(bytes: f64) -> String {
    match bytes.abs() {
        size if size >= 1e9 => format!("{:.1} GB", bytes / 1e9),
        size if size >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        size if size >= 1e3 => format!("{:.1} kB", bytes / 1e3),
        _ => format!("{bytes:.0} bytes"),
    }
}

/// `3.4 days`
pub fn time(milliseconds: f64) -> String {
    let seconds = milliseconds / 1000.0;
    match seconds {
        s if s >= 2.0 * 86_400.0 => format!("{:.1} days", s / 86_400.0),
        s if s >= 2.0 * 3600.0 => format!("{:.1} hours", s / 3600.0),
        s if s >= 120.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{s:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_memwatch_writes_them() {
        assert_eq!(nice_size(12_236_882.0), "11.67 mb");
        assert_eq!(nice_size(249_232.0), "243.39 kb");
        assert_eq!(nice_size(-2120.0), "-2.07 kb");
        assert_eq!(nice_size(0.0), "0 bytes");
        assert_eq!(nice_size(1024.0), "1 kb");
        assert_eq!(nice_size(100.0), "100 bytes");
        assert_eq!(nice_delta(20_000.0), "20s");
        assert_eq!(nice_delta(3_723_000.0), "1h 2m 3s");
        assert_eq!(nice_delta(0.0), "0s");
    }

    #[test]
    fn as_we_write_them() {
        assert_eq!(size(48_200_000.0), "48.2 MB");
        assert_eq!(size(1500.0), "1.5 kB");
        assert_eq!(time(90_000.0), "90 s");
        assert_eq!(time(7_200_000.0), "2.0 hours");
    }
}
