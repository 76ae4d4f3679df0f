namespace Linformer.Model.Interchange;

/// <summary>Another project's names and shapes of a model.</summary>
internal interface IModelFormat
{
    /// <summary>What it is called on the command line.</summary>
    string Name { get; }

    /// <summary>What it has models for.</summary>
    IReadOnlyList<ModelKind> Kinds => [ModelKind.MaskedLanguage];

    /// <summary>Whether tensors of such names are of this project.</summary>
    bool LooksLike(StateDict state);

    /// <summary>Takes a model from there.</summary>
    ImportedModel Import(SourceTensors tensors, FormatOptions options);

    /// <summary>Takes a model there.</summary>
    ExportedModel Export(ExportSource model);
}
