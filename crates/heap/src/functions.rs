//! Functions and what they are made of: their names, their scripts, their places in the source.

use crate::heap::Heap;
use crate::kind::Kind;
use crate::memory::{is_strong, smi};

impl Heap<'_> {
    /// SharedFunctionInfo of a function.
    pub(crate) fn shared_of(&self, function: u64) -> u64 {
        self.word(function + self.space.layout.offsets.function_shared) & !1
    }

    /// The name in a SharedFunctionInfo: a tagged string, 0 if it has none.
    pub(crate) fn shared_name(&self, shared: u64) -> u64 {
        let name = self.word(shared + self.space.layout.offsets.shared_name);
        if self.is_string(name) {
            return name;
        }
        if self.type_behind(name) != self.space.layout.types.scope_info {
            return 0;
        }
        let at = self.scope(name - 1).function_name;
        at.map(|at| self.word(name - 1 + at)).filter(|&n| self.is_string(n)).unwrap_or(0)
    }

    /// The name that V8 inferred from where the function was assigned; 0 if there is none.
    fn inferred_name(&self, shared: u64) -> u64 {
        let offsets = &self.space.layout.offsets;
        let name = self.word(shared + offsets.shared_name);
        if self.type_behind(name) == self.space.layout.types.scope_info {
            let at = self.scope(name - 1).inferred_name;
            return at.map(|at| self.word(name - 1 + at)).filter(|&n| self.is_string(n)).unwrap_or(0);
        }
        let data = [Some(offsets.shared_data), self.space.layout.shape.untrusted_function_data];
        for at in data.into_iter().flatten() {
            let data = self.word(shared + at);
            if self.space.layout.type_name(self.type_behind(data)).starts_with("UNCOMPILED_DATA") {
                let inferred = self.word(data - 1 + 8);
                if self.is_string(inferred) {
                    return inferred;
                }
            }
        }
        0
    }

    /// SharedFunctionInfo::DebugName.
    pub(crate) fn debug_name(&self, shared: u64) -> String {
        let mut name = self.shared_name(shared);
        if name == 0 || self.string_length(name - 1) == 0 {
            name = self.inferred_name(shared);
        }
        self.text_behind(name).unwrap_or_default()
    }

    /// The Script of a SharedFunctionInfo, untagged.
    pub(crate) fn script_of(&self, shared: u64) -> Option<u64> {
        let script = self.word(shared + self.space.layout.offsets.shared_script);
        (self.type_behind(script) == self.space.layout.types.script).then(|| script - 1)
    }

    pub(crate) fn script_name(&self, script: u64) -> Option<String> {
        self.text_behind(self.word(script + self.space.layout.offsets.script_name))
    }

    pub(crate) fn script_id(&self, script: u64) -> i64 {
        smi(self.word(script + self.space.layout.shape.script_id))
    }

    /// Where a function begins in its script, in UTF-16 units.
    pub(crate) fn start_position(&self, shared: u64) -> Option<u64> {
        let offsets = &self.space.layout.offsets;
        let name = self.word(shared + offsets.shared_name);
        if self.type_behind(name) == self.space.layout.types.scope_info {
            let at = self.scope(name - 1).positions?;
            return u64::try_from(smi(self.word(name - 1 + at))).ok();
        }
        let data = [Some(offsets.shared_data), self.space.layout.shape.untrusted_function_data];
        data.into_iter().flatten().find_map(|at| {
            let data = self.word(shared + at);
            let uncompiled =
                self.space.layout.type_name(self.type_behind(data)).starts_with("UNCOMPILED_DATA");
            uncompiled.then(|| u64::from(self.half(data - 1 + 16)))
        })
    }

    /// Offsets of a script's line ends: V8's own list if it has one, else from the source.
    pub(crate) fn line_ends(&self, script: u64) -> Vec<u32> {
        let list = self.word(script + self.space.layout.offsets.script_line_ends);
        if self.info(list & !1).is_some_and(|m| m.kind == Kind::FixedArray) && self.array_length(list - 1) > 0
        {
            return (0..self.array_length(list - 1))
                .map(|n| smi(self.word(list - 1 + 16 + 8 * n)) as u32)
                .collect();
        }
        let source = self.word(script + self.space.layout.offsets.script_source);
        if !self.is_string(source) {
            return Vec::new();
        }
        let length = self.string_length(source - 1) as usize;
        let units = self.units(source - 1, length);
        let mut ends: Vec<u32> = Vec::new();
        for (at, &unit) in units.iter().enumerate() {
            let next = units.get(at + 1);
            // ECMAScript's line terminators; \r\n is one.
            if unit == 10 || unit == 13 && next != Some(&10) || unit == 0x2028 || unit == 0x2029 {
                ends.push(at as u32);
            }
        }
        ends.push(units.len() as u32);
        ends
    }

    /// The bytecode's place in the source that belongs to an offset, from its delta-coded table.
    pub(crate) fn source_position(&self, bytecode: u64, offset: i64) -> Option<u64> {
        let table = self.word(bytecode + self.space.layout.shape.bytecode_tables.2);
        if !is_strong(table) || self.info(table - 1).is_none_or(|m| m.kind != Kind::ByteArray) {
            return None;
        }
        let length = usize::try_from(smi(self.word(table - 1 + 8))).ok()?;
        let bytes = self.space.rest_of_page(table - 1).get(16..)?.get(..length)?;
        let mut bytes = bytes.iter();
        // The entry of the function itself is before the first bytecode.
        let (mut code, mut source) = (-1i64, 0i64);
        let mut found = None;
        while let (Some(step), Some(source_delta)) = (unsigned(&mut bytes), unsigned(&mut bytes).map(zigzag))
        {
            code += match self.space.layout.shape.position_flag_bits {
                // A negative step marks an expression's position.
                0 => match zigzag(step) {
                    delta if delta >= 0 => delta,
                    delta => -(delta + 1),
                },
                bits => (step >> bits) as i64,
            };
            source += source_delta;
            if code > offset {
                break;
            }
            // SourcePosition keeps the offset plus one.
            found = u64::try_from((source >> 1) - 1).ok();
        }
        found
    }
}

/// A number in base 128, the lowest digit first.
fn unsigned(bytes: &mut std::slice::Iter<'_, u8>) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.next()?;
        value |= u64::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return Some(value);
        }
    }
    None
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// One-based line and column of a position.
pub(crate) fn line_and_column(line_ends: &[u32], position: u64) -> (u32, u32) {
    let line = line_ends.partition_point(|&end| u64::from(end) < position);
    let start = line.checked_sub(1).map_or(0, |before| u64::from(line_ends[before]) + 1);
    (line as u32 + 1, position.saturating_sub(start) as u32 + 1)
}
