//! Bytes read as a script: a sequence of choices.

/// The bytes that are left. Past the end every number is 0, so that any input is a script.
pub(super) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `n`, which is from 1 to 256.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// One of a list, if it is not empty. Counted from the end, so that what is newest stays near.
    pub(super) fn pick<'b, T>(&mut self, list: &'b [T]) -> Option<&'b T> {
        let back = usize::from(self.byte());
        (!list.is_empty()).then(|| &list[list.len() - 1 - back % list.len()])
    }

    /// At most so many bytes.
    pub(super) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes behind their length, two bytes long.
    pub(super) fn chunk(&mut self) -> &'a [u8] {
        let len = usize::from(self.u16());
        self.take(len)
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}
