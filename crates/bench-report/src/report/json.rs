//! The values of a report as one JSON document, and what such a document looks like.
//!
//! Within a [`FORMAT`](super::FORMAT), members may be added; none goes away or changes its meaning.

use std::io::{self, Write};

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Report;
use crate::json;

/// Writes the document on one line.
///
/// # Errors
/// `out` cannot be written.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    json::write(report, out)?;
    out.write_all(b"\n")
}

/// The JSON Schema of documents.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Report>();
    schema.insert("title".to_owned(), "bench report".into());
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use jsonschema::validator_for;
    use serde_json::json;

    use super::*;
    use crate::report::tests::report;

    /// Every member of every object has to be in the schema.
    fn closed(schema: &mut Value) {
        if let Some(object) = schema.as_object_mut() {
            if object.contains_key("properties") {
                object.insert("unevaluatedProperties".to_owned(), json!(false));
            }
            object.values_mut().for_each(closed);
        } else if let Some(list) = schema.as_array_mut() {
            list.iter_mut().for_each(closed);
        }
    }

    fn document() -> Value {
        let mut out = Vec::new();
        write(&report(), &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_document_fits_its_schema_and_the_schema_knows_every_member() {
        let mut schema = schema();
        closed(&mut schema);
        let errors: Vec<String> = validator_for(&schema)
            .unwrap()
            .iter_errors(&document())
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, [""; 0]);
        assert!(schema["properties"]["notes"]["description"].is_string());
    }

    #[test]
    fn what_is_missing_or_of_a_wrong_type_does_not_fit() {
        let schema = validator_for(&schema()).unwrap();
        let spoilt = |spoil: fn(&mut Value)| {
            let mut document = document();
            spoil(&mut document);
            !schema.is_valid(&document)
        };
        assert!(schema.is_valid(&document()));
        assert!(spoilt(
            |document| document["trials"][0]["outcome"] = json!("great")
        ));
        assert!(spoilt(|document| document["models"][0]["passed"] = json!("all")));
        assert!(spoilt(|document| document["run"] = json!({})));
        assert!(spoilt(|document| {
            document["models"][0]["statistics"]["pass_rate"]["interval"] = json!([0, 1]);
        }));
    }
}
