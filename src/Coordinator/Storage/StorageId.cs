namespace Linformer.Coordinator.Storage;

/// <summary>
/// The id of the storage root, in a file at the root. A worker compares it with the file that it sees under its own root: an empty
/// folder in place of the shared one would fail every job that the worker is given.
/// </summary>
/// <param name="Value">The id.</param>
public sealed record StorageId(string Value)
{
    /// <summary>The file's name at the storage root.</summary>
    public const string FileName = "storage-id";

    private const int Longest = 128;

    /// <summary>Reads the id, or makes it if there is none.</summary>
    /// <param name="root">The storage root, which exists.</param>
    /// <exception cref="StorageException">It cannot be read or made, or is no id.</exception>
    public static StorageId LoadOrCreate(string root)
    {
        var path = Path.Combine(root, FileName);
        try
        {
            if (!File.Exists(path))
                FirstFile.Create(path, $"{Guid.NewGuid()}\n");
            return new StorageId(Read(path));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The storage's id {path} cannot be read or made: {exception.Message}", exception);
        }
    }

    private static string Read(string path)
    {
        using var reader = new StreamReader(path);
        var characters = new char[Longest + 2];
        var id = new string(characters, 0, reader.ReadBlock(characters)).Trim();
        return id.Length is > 0 and <= Longest && id.All(character => char.IsAsciiLetterOrDigit(character) || character == '-')
            ? id
            : throw new StorageException(
                $"{path} does not hold a storage's id: 1 to {Longest} letters, digits or hyphens in one line. Delete the file to have a new one made.");
    }
}
