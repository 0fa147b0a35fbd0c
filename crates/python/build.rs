//! Tells the linker that the symbols of Python are there when the module is loaded, where it has to be told.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
