namespace Linformer.Bench.Quality;

/// <summary>
/// Examples that are made up, in the files and columns in which IMDB and GLUE's SST-2, QNLI and QQP are published: a film is good or bad by its
/// adjectives, a sentence answers a question if it is of the same thing, and so are two questions that are the same.
/// </summary>
public static class MadeUpTasks
{
    /// <summary>The folder below the storage root; in it is what the published data have below <c>corpora</c>.</summary>
    public const string Folder = "corpora/made-up";

    private const int Training = 400;
    private const int HeldOut = 100;

    private static readonly string[][] Adjectives = [["dull", "awful", "tedious", "clumsy"], ["fine", "lovely", "gripping", "witty"]];
    private static readonly string[] Things = ["plot", "music", "city", "river", "actor", "bridge", "novel", "garden", "war", "song"];
    private static readonly string[] Facts = ["is very old", "was made in the north", "has many parts", "is known to everyone"];

    /// <summary>Writes all four; what is there is overwritten with the same.</summary>
    /// <param name="storageRoot">The storage root.</param>
    public static void Write(string storageRoot)
    {
        var root = Path.Combine(storageRoot, Folder);
        WriteReviews(Path.Combine(root, "aclImdb", "train"), Training, seed: 1);
        WriteReviews(Path.Combine(root, "aclImdb", "test"), HeldOut, seed: 2);
        WriteTables(Path.Combine(root, "glue"), "train.tsv", Training, seed: 3);
        WriteTables(Path.Combine(root, "glue"), "dev.tsv", HeldOut, seed: 4);
    }

    private static void WriteReviews(string folder, int count, int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < count; i++)
        {
            var label = i % 2;
            var path = Path.Combine(Directory.CreateDirectory(Path.Combine(folder, label == 0 ? "neg" : "pos")).FullName, $"{i}_{(label == 0 ? 2 : 9)}.txt");
            File.WriteAllText(path, string.Join("<br />", Enumerable.Range(0, random.Next(10, 60)).Select(_ => Opinion(random, label))));
        }
    }

    private static void WriteTables(string folder, string name, int count, int seed)
    {
        var random = new Random(seed);
        Write("SST-2", "sentence\tlabel", i => $"{Opinion(random, i % 2)}\t{i % 2}");
        Write("QNLI", "index\tquestion\tsentence\tlabel", i =>
        {
            var (asked, told) = Pair(random, same: i % 2 == 0);
            return $"{i}\tWhat is known of the {asked}?\tThe {told} {Any(random, Facts)}.\t{(i % 2 == 0 ? "entailment" : "not_entailment")}";
        });
        Write("QQP", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", i =>
        {
            var (first, second) = Pair(random, same: i % 2 == 1);
            return $"{i}\t{2 * i}\t{(2 * i) + 1}\tHow old is the {first}?\tWhat is the age of the {second}?\t{i % 2}";
        });

        void Write(string task, string columns, Func<int, string> row)
        {
            var lines = Enumerable.Range(0, count).Select(row).Prepend(columns);
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(folder, task)).FullName, name), string.Join('\n', lines) + "\n");
        }
    }

    private static string Opinion(Random random, int label) => $"the {Any(random, Things)} was {Any(random, Adjectives[label])} and {Any(random, Adjectives[label])}. ";

    private static (string First, string Second) Pair(Random random, bool same)
    {
        var first = random.Next(Things.Length);
        var second = same ? first : (first + random.Next(1, Things.Length)) % Things.Length;
        return (Things[first], Things[second]);
    }

    private static string Any(Random random, string[] of) => of[random.Next(of.Length)];
}
