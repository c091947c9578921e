//! Reads files that a setting names, up to a bound: a wrong path may name a file of any size.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// The bytes of a file.
///
/// # Errors
/// If the file cannot be read, or has more than `bytes_max` bytes.
pub(crate) fn read(file: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound_and_not_a_byte_more() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"12345").unwrap();
        assert_eq!(read(file.path(), 5).unwrap(), b"12345");
        assert_eq!(read(file.path(), 4).unwrap_err().to_string(), "more than 4 bytes");
        // A file without an end.
        assert!(read(Path::new("/dev/zero"), 1_000).is_err());
    }
}
