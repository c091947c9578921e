//! The partition of a region, which is the second part of an ARN. The AWS SDK has this table but
//! does not give it out, so this one must stay equal to it; a test compares them.

/// The beginnings of the names of regions, with their partition. All other regions are in `aws`.
const REGIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
];

/// The partition of a region.
#[must_use]
pub fn partition(region: &str) -> &'static str {
    let found = REGIONS.iter().find(|(begins, _)| region.starts_with(begins));
    found.map_or("aws", |(_, partition)| partition)
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use serde_json::Value;

    use super::*;

    /// The partitions with their regions, from the source of the SDK in use.
    fn known_to_the_sdk() -> Value {
        // Only for this platform: the crates of other platforms may not have been fetched.
        let compiler = Command::new("rustc").arg("-vV").output().unwrap();
        let compiler = String::from_utf8(compiler.stdout).unwrap();
        let host = compiler.lines().find_map(|it| it.strip_prefix("host: ")).unwrap();
        let metadata = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
        let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let sns = packages.iter().find(|it| it["name"] == "aws-sdk-sns").unwrap();
        let manifest = std::path::Path::new(sns["manifest_path"].as_str().unwrap());
        let source = fs::read_to_string(manifest.with_file_name("src/endpoint_lib.rs")).unwrap();
        let (_, literal) = source.split_once("new_from_json(b\"").unwrap();
        let (literal, _) = literal.split_once("\")").unwrap();
        serde_json::from_str(&literal.replace("\\\"", "\"").replace("\\\\", "\\")).unwrap()
    }

    #[test]
    fn every_region_is_in_the_partition_that_the_sdk_says() {
        let known = known_to_the_sdk();
        let mut regions = 0;
        for it in known["partitions"].as_array().unwrap() {
            for region in it["regions"].as_object().unwrap().keys() {
                if region.ends_with("-global") {
                    continue;
                }
                assert_eq!(partition(region), it["id"].as_str().unwrap(), "{region}");
                regions += 1;
            }
        }
        assert!(regions > 40, "only {regions} regions were found");
    }
}
